"""Settings of the Cartesian force fields; no torch here, plans read them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: Suffix of a saved model.
SUFFIX = ".safetensors"


class CartesianSettings(BaseModel):
    """Settings that both have: radial functions, training, loss.

    The learning rate falls by `lr_factor` after `lr_patience` epochs without progress on the frames
    that are watched, and linearly to nothing in the last `cool_down` of the epochs; training stops
    after `patience` epochs without progress.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    #: Name of the learner.
    name: ClassVar[str]
    #: Name of a preset -> values that it changes.
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    preset: str = Field(default="default", description="default, or quick: small and short")
    cutoff: float = Field(default=5.0, gt=0, description="Å")
    n_max: int = Field(default=8, ge=1, le=32, description="Bessel functions of the distance")
    epochs: int = Field(
        default=200, ge=1, le=10**6, description="largest number of passes over the data"
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description="wall time after which training ends; the learning rate follows it, and the "
        "model depends on the machine",
    )
    batch_size: int = Field(default=4, ge=1, le=10**6, description="frames")
    learning_rate: float = Field(default=0.01, gt=0, description="at the start")
    lr_factor: float = Field(
        default=0.6, gt=0, lt=1, description="factor on the learning rate without progress"
    )
    lr_patience: int = Field(
        default=15, ge=1, description="epochs without progress before the learning rate falls"
    )
    cool_down: float = Field(
        default=0.4, ge=0, le=1, description="share of the epochs in which the rate falls to 0"
    )
    patience: int = Field(default=60, ge=1, description="epochs without progress before the end")
    ema_decay: float = Field(default=0.99, ge=0, lt=1, description="of the averaged weights")
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="share of the frames that are watched, one at least"
    )
    energy_weight: float = Field(default=1.0, ge=0, description="in the loss, per atom")
    force_weight: float = Field(default=1.0, ge=0, description="in the loss")
    stress_weight: float = Field(default=1.0, ge=0, description="in the loss, as virial per atom")
    use_stress: bool = Field(default=True, description="train on stresses where there are labels")
    weak: Literal["none", "one-sided", "antithetic", "two-point"] = Field(
        default="none",
        description="supervision without labels: energies of displaced frames against the model's "
        "own forces",
    )
    weak_weight: float = Field(default=1.0, ge=0, description="of weak supervision in the loss")
    displacement: float = Field(
        default=0.05, gt=0, le=0.5, description="root mean square displacement of an atom, Å"
    )
    device: str = Field(default="cpu", description="a torch device: cpu, cuda, cuda:1")
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="of the training; what is trained is evaluated in float64"
    )
    seed: int = Field(
        default=0, ge=0, le=2**31, description="of the split, the weights and the order"
    )


class CaceSettings(CartesianSettings):
    """Cartesian atomic cluster expansion."""

    name: ClassVar[str] = "cace"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"epochs": 30, "l_max": 2, "channels": 8, "layers": 0, "cutoff": 4.5}
    }

    l_max: int = Field(default=3, ge=0, le=4, description="largest degree of the moments")
    nu: int = Field(default=3, ge=1, le=4, description="largest number of moments in a product")
    rings: bool = Field(
        default=True, description="also the products that close rings; false: trees, as published"
    )
    channels: int = Field(
        default=16,
        ge=1,
        le=512,
        description="mixtures of radial functions for each pair of embeddings",
    )
    embedding: int | None = Field(
        default=None,
        ge=1,
        le=8,
        description="length of an element's embedding; None: one for each element, four at most",
    )
    layers: int = Field(default=1, ge=0, le=3, description="passes of messages")
    message_channels: int = Field(default=4, ge=1, le=512, description="channels of a message")


class IctpSettings(CartesianSettings):
    """Irreducible Cartesian tensors."""

    name: ClassVar[str] = "ictp"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "quick": {"epochs": 30, "rank": 2, "channels": 8, "correlation": 2, "cutoff": 4.5}
    }

    rank: int = Field(default=3, ge=0, le=4, description="largest rank of the tensors of a bond")
    hidden_rank: int = Field(default=1, ge=0, le=3, description="largest rank of a message")
    correlation: int = Field(
        default=3, ge=1, le=3, description="largest number of tensors in a product"
    )
    channels: int = Field(default=16, ge=1, le=512, description="channels")
    layers: int = Field(default=2, ge=1, le=3, description="layers")

    @model_validator(mode="after")
    def _check_ranks(self) -> IctpSettings:
        if self.hidden_rank > self.rank:
            raise ValueError(
                f"hidden_rank {self.hidden_rank} is above rank {self.rank}: messages are made of "
                "the tensors of the bonds"
            )
        return self
