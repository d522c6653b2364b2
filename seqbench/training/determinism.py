"""Equal runs give equal numbers: torch's deterministic mode, and what it could not cover."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_WARNING = re.compile(
    r"(\S+) does not have a deterministic implementation"
    r"|(\S.*?) defaults to a non-deterministic algorithm"
)


class Determinism:
    """Torch's deterministic mode while a block lasts, and the operators that have no such code.

    An operator without a deterministic implementation runs as it is, and its name is kept in
    ``operators``, in the order in which they were met. It holds for all threads.
    """

    def __init__(self, operators: list[str] | None = None) -> None:
        self.operators = [] if operators is None else operators

    @contextmanager
    def active(self) -> Iterator[None]:
        """Run a block deterministically; outside it the settings are as they were."""
        mode = torch.get_deterministic_debug_mode()
        settings: Any = torch.utils.deterministic
        fill = settings.fill_uninitialized_memory
        with warnings.catch_warnings():
            warnings.filterwarnings("always", message=".*deterministic (implementation|algorithm)")
            tell = warnings.showwarning

            def note(message: Warning | str, *rest: object, **more: object) -> None:
                found = _WARNING.search(str(message))
                if found is None:
                    tell(message, *rest, **more)  # type: ignore[arg-type]
                elif (name := found[1] or found[2]) not in self.operators:
                    self.operators.append(name)

            warnings.showwarning = note
            torch.set_deterministic_debug_mode("warn")  # the other function imports the compiler
            # every number is written before it is read here, and filling them first takes time
            settings.fill_uninitialized_memory = False
            try:
                yield
            finally:
                torch.set_deterministic_debug_mode(mode)
                settings.fill_uninitialized_memory = fill
