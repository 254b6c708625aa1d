# shop/views.py
from django.http import JsonResponse
from shop.models import Order
from shop.tasks import pack, queue


def buy(request, name):
    order = Order.objects.create(name=name)
    return JsonResponse({"job": pack.delay(order.pk).id}, status=202)


def job(request, number):
    return JsonResponse({"state": queue.job(number).state})
