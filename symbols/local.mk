# Sources of symbols/.
