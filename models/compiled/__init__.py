"""Scores of dense and LSTM autoencoders by machine code that is made for the processor at hand.

ONNX Runtime computes a graph node by node, each over all windows of a call, with 8 numbers at once in what is no matrix
product. Here a block of windows goes through the whole net while it is in the cache next to the core, in the widest
registers that there are. `programs` says which `operations` a net consists of, `machine` compiles these, and `engine`
puts them in front of the graph, which stays what is saved, and what gives reconstructions and explanations.
"""
