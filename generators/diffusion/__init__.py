"""Pictures by diffusion: our small starter pipeline, and any text-to-image pipeline that diffusers
can load.
"""
