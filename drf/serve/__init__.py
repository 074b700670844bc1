"""The allocator as a server, for masters in any language: its verbs as JSON over HTTP (extra ``serve``).

`desk` owns the allocator and knows nothing of HTTP; `app` is the routes around it. `verbs` is the one table from which
requests are read, checked, carried out and described in OpenAPI.
"""
