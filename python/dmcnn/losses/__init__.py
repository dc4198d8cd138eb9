"""Losses: functions of outputs and labels that a training makes small.

A loss of one's own, ``my_module:my_loss`` or an entry point of the group ``dmcnn.losses``, is a function of (B, m)
outputs and the labels of the batch, (B,) class numbers or (B, k) scaled targets, that gives their mean loss; or a
class of such functions, made without arguments, such as ``torch.nn:CrossEntropyLoss``. Its attribute ``activation``,
"sigmoid" or "softmax" (what it is without), says how the logits of classes become scores.
"""

LIKELIHOODS = ("gaussian_nll", "clipped_nll")
"""Losses of regression, see dmcnn.losses.gaussian."""
