# Each target sets itself up in .venv: nothing is needed beforehand but Python ≥ 3.10, git and make, and g++ for the native
# engine; without g++ all works as well, but slower.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SETTINGS := pyproject.toml constraints.txt
NATIVE := $(wildcard native/CMakeLists.txt native/editable/CMakeLists.txt native/*.[ch]pp native/*.h native/*.def \
	native/*/*.hpp src/halflife/engines/cuda/include/*/*.hpp)
LIBRARY := src/halflife/engines/libhalflife_native.so
SANITIZED := build/sanitize/libhalflife_native.so
THREADED := build/sanitize-threads/libhalflife_native.so
SEEDS ?= 1 2 3 4 5
PRELOADED = LD_PRELOAD="$$(g++ -print-file-name=lib$(1).so) $$(g++ -print-file-name=libstdc++.so)"

# Where there is g++, C++ that does not build is an error.
export HALFLIFE_NEEDS_NATIVE := $(shell test "$$(uname -s)" = Linux && command -v g++ >/dev/null && echo 1)

.PHONY: study test test-slow test-random conventions trainers docs notebooks bench sanitize sanitize-threads distributed \
	cuda-text gpu lint clean

study: .venv/lab.stamp           ## train the grid on digits, draw the heatmaps, print the table
	$(BIN)/halflife study --out study

test: .venv/test.stamp           ## everything but the slow tests
	$(BIN)/python -m pytest --numprocesses auto

test-slow: .venv/test.stamp      ## the slow tests
	$(BIN)/python -m pytest -m slow

test-random: .venv/test.stamp    ## all but the slow tests, in random order once for each of SEEDS
	for seed in $(SEEDS); do echo "make test-random SEEDS=$$seed"; $(BIN)/python -m pytest --numprocesses auto \
		--random-order-bucket=global --random-order-seed=$$seed || exit 1; done

conventions: .venv/conventions-test.stamp ## every convention beside the framework itself, by trajectory
	$(BIN)/python -m pytest --numprocesses auto tests/conventions

trainers: .venv/trainers-test.stamp ## our optimizers under the trainers of others
	$(BIN)/python -m pytest --numprocesses auto tests/training

# With --quiet there would be no warnings to be strict about.
docs: .venv/docs.stamp           ## the documentation, into build/site; a warning is an error
	$(BIN)/mkdocs build --strict
	@echo "The documentation is in build/site: python -m http.server --directory build/site"

notebooks: .venv/docs.stamp      ## run every notebook of the course, in place
	$(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False --ClearMetadataPreprocessor.enabled=True \
		--ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec docs/notebooks/*.ipynb

bench: .venv/lab.stamp           ## time every optimizer's step beside torch's
	$(BIN)/halflife bench --out bench

sanitize: .venv/test.stamp $(SANITIZED) ## the native engine under the address and undefined-behaviour sanitizers
	$(call PRELOADED,asan) ASAN_OPTIONS=detect_leaks=0 HALFLIFE_LIBRARY="$(CURDIR)/$(SANITIZED)" \
	$(BIN)/python -m pytest --numprocesses auto --ignore=tests/native/test_threads.py \
		tests/engines tests/conformance tests/native

sanitize-threads: .venv/test.stamp $(THREADED) ## the native engine's threads under ThreadSanitizer
	$(call PRELOADED,tsan) TSAN_OPTIONS="halt_on_error=1 ignore_noninstrumented_modules=1" \
	HALFLIFE_LIBRARY="$(CURDIR)/$(THREADED)" $(BIN)/python -m pytest --capture=sys tests/native/test_threads.py

distributed: .venv/torchtitan.stamp ## sharded parameters, on 2 and 4 processes of this machine
	$(BIN)/python -m pytest -m distributed tests/sharded

cuda-text: .venv/test.stamp      ## generated kernels: by g++ against the equations, and by NVRTC for three chips
	$(BIN)/python -m pytest --numprocesses auto -m "slow or not slow" -k "not all_of_the_cells and not its_clock" \
		tests/cuda/test_cells.py tests/cuda/test_cubins.py

gpu: .venv/test.stamp            ## on a machine with an NVIDIA GPU: what only a card can show, and its figures in gpu/
	$(BIN)/python -c "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 'It needs an NVIDIA GPU.')"
	$(BIN)/python -m pytest --numprocesses 4 tests/gpu
	$(BIN)/halflife bench --device cuda --set gpt2 --set huge --set thousand --rounds 5 --out gpu \
		--optimizer adamw --optimizer lion --optimizer adam-p --optimizer rprop

lint: .venv/dev.stamp            ## ruff, pyright
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright

clean:                           ## remove the environment, what was built, and what a study wrote
	rm -rf .venv build study bench gpu $(LIBRARY)
	find native/editable -mindepth 1 ! -name CMakeLists.txt ! -name .gitignore -delete

.venv/torchtitan.stamp: | .venv/test.stamp
	$(INSTALL) --no-deps torchtitan==0.3.0
	@touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/%.stamp: $(SETTINGS) $(NATIVE) | .venv/bin/python
	@echo "Installing halflife-optim[$*] into .venv (torch is large: the first time takes a few minutes) …"
	$(INSTALL) --editable '.[$*]'
	@test -f $(LIBRARY) || echo "There is no native engine, for there is no g++: \`halflife doctor\` says what that costs."
	@touch $@

$(BIN)/cmake: | .venv/bin/python
	$(INSTALL) cmake

$(SANITIZED): SANITIZERS := address,undefined
$(THREADED): SANITIZERS := thread
$(SANITIZED) $(THREADED): $(NATIVE) | $(BIN)/cmake
	$(BIN)/cmake -S native -B $(@D) -DCMAKE_CXX_COMPILER=g++ -DHALFLIFE_SANITIZE=$(SANITIZERS)
	$(BIN)/cmake --build $(@D) --parallel
