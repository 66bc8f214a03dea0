# Sources of tests/rsp/.
