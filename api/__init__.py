"""How do you ask? HTTP, command line and console: each translates between callers and the packages below.

`http` never loads Spark; `cli` starts the jobs that do.
"""
