# Sources of engine/os/.
