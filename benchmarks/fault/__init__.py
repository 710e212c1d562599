"""Prove from outside that no notice is lost and none comes twice, whatever fails; and that this would be noticed.

In the order in which they are of use:

    __main__       the command: one run, its figures, or every deliberate breakage one after the other
    run            who kills what when, who does what meanwhile, and when all is over
    town           the processes: the chat service, the bot, a second platform; started, killed, cut from power
    child          what runs in each of these processes
    shifted_clock  a clock that is moved on by hours while the processes run
    power_cut      what SQLite wrote since it last synced, so that it can be taken away again
    load           what people do: notices, corrections, recalls, schedules, approvals, surveys, telegrams
    count          what everybody has in the end, held against what was done
    sabotage       the breakages, as patches, and the copy of the program that one is applied to
"""
