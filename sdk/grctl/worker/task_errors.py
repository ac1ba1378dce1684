"""The errors that a handler can meet when it calls a task, or records something else."""


class TaskFailedError(Exception):
    """A task failed for good with an error whose class cannot be made again from its message.

    That is so if the class is not loaded, or if its text is not made of one message. A handler gets
    this error in each attempt, also in the one that called the task.

    Attributes:
        task: Name of the task.
        type: Name of the error's class.
        message: Text of the error.
    """

    def __init__(self, task: str, type: str = "", message: str = "") -> None:  # noqa: A002
        super().__init__(task, type, message)
        self.task = task
        self.type = type
        self.message = message

    def __str__(self) -> str:
        """Return task, type and message in one sentence."""
        return f"task {self.task} failed: {self.type}: {self.message}"


class TaskInterruptedError(Exception):
    """A task with `once=True` began in an earlier attempt at the handler, and it may have ended.

    Nobody knows whether its side effect happened, so it does not run again.
    """


class TaskResultError(TypeError):
    """A task returned a value that is not of the type that its function is annotated with."""


class NonDeterministicError(RuntimeError):
    """A handler made a call that is not recorded, before it had made all the calls that are.

    So it runs other code than the earlier attempts that recorded them. The error is raised before
    the call has a side effect, and the attempt fails with it, whatever the handler does then.
    """


class HandlerEndedError(RuntimeError):
    """A task was called by code of a handler that has ended: it returned, failed or timed out."""


class WrongLoopError(RuntimeError):
    """A handler called a task, `ctx.now` or `ctx.sleep` in another thread than its own."""


class HandlerTimedOut(TimeoutError):  # noqa: N818  the reason's name, and policies name it
    """An attempt at a handler took longer than its `timeout`."""
