"""What a trial solution is: points, forms A + B N, network, fixed hidden layer, solution. It knows no equation."""
