# Sources of engine/arch/x86/.
