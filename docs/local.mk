# Sources of docs/.
dist_man_MANS += docs/xkd.1
EXTRA_DIST += LICENSE CONTRIBUTING.md docs/fuzzing.md docs/matrix.md docs/shapes.md docs/stubs.md
