"""Questionnaires: what is asked, the conversation that asks it, and what comes of the answers."""
