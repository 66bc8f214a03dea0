# Sources of engine/run/.
