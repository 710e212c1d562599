"""The audit: who did what, and what was refused, as a chain in which every row seals the one before it.

A row's hash covers its own columns and the hash of the row before, so a row that is changed, removed, put in or put
elsewhere breaks the chain where it happened. A second table keeps how long the chain is and its last hash, so that rows
cut off at the end are missed as well. Triggers forbid changing rows by mistake; whoever owns the database can drop the
triggers and even build a whole new chain, so the `Anchor` writes
`head()` down elsewhere, daily and at every emergency, for `verify()` to compare.
"""

from bot.audit.anchor import Anchor, noted_in
from bot.audit.chain import GENESIS, Head, append, head
from bot.audit.refusals import auditing, record_refusal
from bot.audit.tables import POSTGRESQL_TRIGGERS, SQLITE_TRIGGERS, audit_head, audit_log
from bot.audit.verification import Finding, Kind, Verification, verify

__all__ = [
    "GENESIS",
    "POSTGRESQL_TRIGGERS",
    "SQLITE_TRIGGERS",
    "Anchor",
    "Finding",
    "Head",
    "Kind",
    "Verification",
    "append",
    "audit_head",
    "audit_log",
    "auditing",
    "head",
    "noted_in",
    "record_refusal",
    "verify",
]
