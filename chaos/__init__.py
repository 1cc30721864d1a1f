"""Randomization under load and fault: `make chaos` allocates by the thousand, breaks things, judges what came of it.

Two web processes as in production serve 64 clients over HTTP. Once in peace, once while processes are killed,
PostgreSQL is restarted and answers are lost after the commit. Then every allocation is held against a replay of the
list from its seed, and the counts are printed and written to `.data/chaos.json`.

Three things differ from a running trial, and none of them is what is judged: passwords are hashed with one round of
PBKDF2 (a real hash costs more than all the rest of an allocation), the API does not count the requests of a person a
minute, and the study allows as many participants as are asked for. The participants are copies of some who were
brought to eligibility by the actions (`bench.multiply`): the gate looks at each anew.
"""
