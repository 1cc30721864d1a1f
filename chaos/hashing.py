"""A password's hash that costs nothing, for measuring alone."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    """PBKDF2 with a single round."""

    algorithm = "pbkdf2_one_round"
    iterations = 1
