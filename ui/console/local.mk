# Sources of ui/console/.
