"""Models by name, file or function: whatever turns pictures into one score a class. Start reading at `open_model`."""

from topfive.systems.models.model import Contaminated, OpenModel, Run, contamination, torch_run
from topfive.systems.models.opening import Asked, open_model

__all__ = ["Asked", "Contaminated", "OpenModel", "Run", "contamination", "open_model", "torch_run"]
