# Sources of engine/cmd/.
