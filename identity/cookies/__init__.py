"""Whose an identifier was, and when: cookies by their logins, phones by their hand-over."""
