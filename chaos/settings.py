"""The settings of a running trial, with the three differences that the package names, and a way to lose answers."""

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE, REST_FRAMEWORK

PASSWORD_HASHERS = ["chaos.hashing.OneRound"]
REST_FRAMEWORK = REST_FRAMEWORK | {"DEFAULT_THROTTLE_CLASSES": []}
MIDDLEWARE = ["chaos.losses.LosesAnswers", *MIDDLEWARE]
