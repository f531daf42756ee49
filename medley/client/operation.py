"""Methods that are written once: plain calls for `Sync` classes, awaited ones for `Async`."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from medley.client.calls import Flow

Given = ParamSpec("Given")
Result = TypeVar("Result")
Any_ = TypeVar("Any_")


class Sync(ABC):
    """Its operations return."""

    @abstractmethod
    def _perform(self, flow: Flow[Any_]) -> Any_: ...


class Async(ABC):
    """Its operations are awaited."""

    @abstractmethod
    async def _perform(self, flow: Flow[Any_]) -> Any_: ...


class operation(Generic[Given, Result]):
    """Makes a method of a flow: a generator of calls that returns the result."""

    def __init__(self, flow: Callable[Concatenate[Any, Given], Flow[Result]]) -> None:
        self.flow = flow
        self.__doc__ = flow.__doc__
        self.__name__ = flow.__name__

    @overload
    def __get__(self, owner: None, kind: Any = None) -> Self: ...

    @overload
    def __get__(self, owner: Sync, kind: Any = None) -> Callable[Given, Result]: ...

    @overload
    def __get__(self, owner: Async, kind: Any = None) -> Callable[Given, Awaitable[Result]]: ...

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self

        @wraps(self.flow)
        def bound(*args: Given.args, **kwargs: Given.kwargs) -> Any:
            return owner._perform(self.flow(owner, *args, **kwargs))

        return bound
