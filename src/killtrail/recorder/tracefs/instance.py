def armed(): return False
def disarm(): return False
