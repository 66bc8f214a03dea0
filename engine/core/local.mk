# Sources of engine/core/.
