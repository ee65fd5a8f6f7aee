"""Our explorer of schedules beside others, on the same small programs.

    python -m cowstate.bench.explorers measure   all of them on this Python, into the stored file
    python -m cowstate.bench.explorers           write the page from the file

The others come with the extra ``peers``. Each program is tried by each of them in a process of its
own, which may hang or be left in any state; see `rounds`.
"""
