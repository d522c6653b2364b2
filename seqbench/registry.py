"""A small registry: names to members, filled by a decorator and read by everyone.

Variants, tasks, read-outs and suites each have one. A member's name is what a user types and what
the CSV has; it has no second name.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Generic, TypeVar

from seqbench.errors import UnknownNameError

Member = TypeVar("Member")

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_TYPED = "<typed>"
"""Where a member comes from without a file."""


class Registry(Generic[Member]):
    """The members of one kind, in the order in which they were registered.

    Parameters
    ----------
    kind
        What a member is called.
    base
        The class of which every member is a subclass; None where members are no classes.
    """

    def __init__(self, kind: str, base: type | None = None) -> None:
        self.kind = kind
        self._base = base
        self._members: dict[str, Member] = {}
        self._origins: dict[str, str] = {}

    def register(self, name: str) -> Callable[[Member], Member]:
        """Return a decorator that files its argument under ``name`` and returns it unchanged.

        Raises
        ------
        ValueError
            If the name is not lower-case words joined by hyphens, or is taken already: two
            members of one name would make old results mean something else; one that was typed into
            a session or a notebook may be typed again. Of what is
            decorated, if it is no subclass of the kind's base.
        """
        if not NAME.fullmatch(name):
            raise ValueError(
                f"{self.kind} name {name!r} must be lower-case letters and digits, "
                f"words joined by single hyphens"
            )
        if name in self._members and not (self._origins[name] == _running_module() == _TYPED):
            raise ValueError(f"a {self.kind} called {name!r} is already registered")

        def file(member: Member) -> Member:
            base = self._base
            if base and not (isinstance(member, type) and issubclass(member, base)):
                raise ValueError(
                    f"the {self.kind} {name!r} must be a subclass of {base.__name__}, "
                    f"not {member!r}"
                )
            self._members[name] = member
            self._origins[name] = _running_module()
            return member

        return file

    def origin(self, name: str) -> str:
        """Return the name of the module that registered a member as it was imported."""
        return self._origins[name]

    def __getitem__(self, name: str) -> Member:
        """Return the member called ``name``, or raise `UnknownNameError` with names near to it."""
        try:
            return self._members[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._members) from None

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._members))

    def __len__(self) -> int:
        return len(self._members)


def _running_module() -> str:
    """Return the name of the innermost module whose body is running: it may call a helper."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    if frame is None:
        return ""
    name = str(frame.f_globals["__name__"])
    return _TYPED if name == "__main__" and not Path(frame.f_code.co_filename).is_file() else name


def import_members(package: ModuleType) -> None:
    """Import every module of ``package``, so that what they register is known.

    This is what makes a new member one new file: nothing lists the files by hand.
    """
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
