"""From the tensors of a file to the matrices of a graph: schemes, quantisation, calibration."""
