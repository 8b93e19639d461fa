"""The run of the backend kit: each check judged, in a process of its own or in this one."""
