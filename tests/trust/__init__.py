"""Can the host be believed?"""
