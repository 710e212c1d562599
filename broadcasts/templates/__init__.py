"""Notices prepared beforehand: a text with variables, what each of them takes, and the rest of the notice.

A template fills a draft; from there on it is a notice like any other, with its preview, rights and approval.
"""

from broadcasts.templates.fields import Field, Sender
from broadcasts.templates.loading import TemplateError, load_template, load_templates
from broadcasts.templates.template import Template

__all__ = ["Field", "Sender", "Template", "TemplateError", "load_template", "load_templates"]
