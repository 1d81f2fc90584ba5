"""All routes of accounts."""

from fastapi import APIRouter

from app.accounts.audit_routes import router as audit_router
from app.accounts.login_routes import router as login_router
from app.accounts.user_routes import router as user_router

router = APIRouter()
router.include_router(login_router)
router.include_router(user_router)
router.include_router(audit_router)
