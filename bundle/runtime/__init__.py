"""What runs on the carried machine, made on this one: an interpreter, the packages of requirements.lock and llama.cpp, one archive per platform."""
