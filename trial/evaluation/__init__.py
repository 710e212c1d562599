"""From what a trial left behind to the paper that asks for the budget.

`facts` is what the databases say, `criteria` what was agreed on beforehand; `adoption`, `reach`, `polls`, `saving` and
`budget` reckon; `figures` gathers the numbers that criteria may name; `sections` lays the paper out once, as tables;
`page`, `workbook` and `terminal` only draw it.
"""
