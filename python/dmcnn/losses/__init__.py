"""Losses: functions of outputs and labels that a training minimises.

A user's own loss, ``my_module:my_loss`` or an entry point of the group ``dmcnn.losses``, is a function of (B, m)
outputs and the labels of the batch, (B,) class numbers or (B, k) scaled targets, that returns their mean loss; or a
class of such functions, constructed without arguments, such as ``torch.nn:CrossEntropyLoss``. Its attribute
``activation``, "sigmoid" or "softmax" (the default), is the function that maps logits of classes to scores. Where
events have weights, it takes them as a third argument ``weight``, (B,), and returns the mean of weight * loss.
"""

LIKELIHOODS = ("gaussian_nll", "clipped_nll")
"""Losses of regression networks, see dmcnn.losses.gaussian."""
