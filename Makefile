# A short way to `python make.py TARGET`, which works without make as well.
# ARGS goes through: make run ARGS=01    make test ARGS=tests/test_text.py
TARGETS := run test test-all test-colab lab data bundle bench stamp clean help

# The first Python of a version that the project runs on; `make run PYTHON=...` chooses another.
PYTHON ?= $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$p && exit; \
	done; echo python3)

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)
$(TARGETS):
	@$(PYTHON) make.py $@ $(ARGS)
