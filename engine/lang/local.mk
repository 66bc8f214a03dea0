# Sources of engine/lang/.
