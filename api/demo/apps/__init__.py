"""Applications that read profiles: a home page, a call centre's screen, a mailing; they use HTTP alone."""
