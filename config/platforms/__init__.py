"""The platforms' tables in the settings file, one module each: what they hold, and the adapter they make."""

from config.platforms.base import HttpUrl, PlatformTable, Table
from config.platforms.line import LineTable
from config.platforms.lineworks import LineWorksTable
from config.platforms.logochat import LogoChatTable
from config.platforms.mail import MailTable
from config.platforms.matrix import MatrixTable
from config.platforms.other import OtherTable

__all__ = [
    "HttpUrl",
    "LineTable",
    "LineWorksTable",
    "LogoChatTable",
    "MailTable",
    "MatrixTable",
    "OtherTable",
    "PlatformTable",
    "Table",
]
