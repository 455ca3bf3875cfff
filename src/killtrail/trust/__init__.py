"""Does what this host says of itself agree between independent views?"""
