"""What every part of the configuration file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the file; a key that it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")
