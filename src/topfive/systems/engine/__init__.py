"""The engine of the neural landmarks: settings, training loop, checkpoints, fitted networks; it knows no landmark."""

from topfive.systems.engine.chance import seeded
from topfive.systems.engine.fit import fit_network
from topfive.systems.engine.fitted import FittedNetwork
from topfive.systems.engine.loop import train
from topfive.systems.engine.settings import Training

__all__ = ["FittedNetwork", "Training", "fit_network", "seeded", "train"]
