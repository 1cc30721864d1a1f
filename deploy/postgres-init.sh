#!/bin/sh
# Run once by the PostgreSQL image, on an empty volume: Stratum's two roles and their passwords.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --dbname stratum --file /stratum/roles.sql
psql --set ON_ERROR_STOP=1 --username postgres --dbname stratum <<'SQL'
\getenv owner_password STRATUM_OWNER_PASSWORD
\getenv app_password STRATUM_APP_PASSWORD
ALTER ROLE stratum_owner PASSWORD :'owner_password';
ALTER ROLE stratum_app PASSWORD :'app_password';
SQL
