"""The commands: arguments to calls, their results to the screen and to exit codes."""
