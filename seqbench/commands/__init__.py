"""The commands: arguments to calls, what comes of them to the screen and to exit codes."""
