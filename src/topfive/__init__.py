"""topfive: the ImageNet / ILSVRC system as software. Start reading at `topfive.flows`."""

__version__ = "0.1.0"
