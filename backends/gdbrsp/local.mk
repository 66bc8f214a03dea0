# Sources of backends/gdbrsp/.
