"""From the settings of train to images, a network, and what it is trained with."""
