"""PostgreSQL and Redis without installing either, and the commands that run Stratum. No Django in this package."""

from config.services.bundle import DATA, ROOT, Services, running, running_environment
from config.services.processes import ServiceError

__all__ = ["DATA", "ROOT", "ServiceError", "Services", "running", "running_environment"]
